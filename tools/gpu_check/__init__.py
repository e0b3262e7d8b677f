"""What a GPU is asked in the minutes that there are: does all of it work, how fast is it, and then a training."""
