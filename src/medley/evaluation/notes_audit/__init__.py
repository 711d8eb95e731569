"""Do the notes give the labels away? Eleven checks of the notes beside the films (`medley notes audit`)."""
