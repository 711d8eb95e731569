"""The data doctor: what can be wrong with a case table and its split, each as a named check with examples.

    doctor.examine(table, splits, ...) -> Examination: a row a check: ok, warning, failed or not applicable

One file holds one kind of trouble: images, duplicates, parts, rows, texts, names, columns, shortcuts, sides. Each film
is decoded once (`looks`). Nothing here changes the data; `mend` writes a cleaned table beside the old one.
"""
