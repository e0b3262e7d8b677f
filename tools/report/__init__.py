"""What readers get: the page of all results, and the folder and card of a model that ships."""
