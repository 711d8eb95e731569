"""The data doctor's eyes for brain volumes: what a film's checks cannot ask, and what only a volume can answer.

    look.look_at_study(case, ...) -> a Look at each file, each read once; the first carries what is known of the study

One file holds one kind of trouble: header, facts (of one file), study (of its files together), geometry, masks, truth,
alike (the same brain twice), dataset (which dataset is it?).
"""
