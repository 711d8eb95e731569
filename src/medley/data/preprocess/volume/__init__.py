"""Brain MRI of any make -> `core.records.Volume`, by one path for every source.

    files -> nifti, series      values in the file's order, and the affine from index to millimetres
          -> align, likeness    where the MNI152 template lies on it; is it a brain, and the right way up?
          -> foreground         the brain mask: given, stripped already, by antspyx, or by the template
          -> bias               N4, where asked for
          -> grid               one interpolation straight onto the model's grid; and back (`to_source`)
          -> volume             intensities, record of what was done
    many  -> batch, pictures    `medley preprocess brains`

docs/brain_mri.md says why each number is what it is.
"""
