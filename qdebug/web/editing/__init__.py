"""The changes to a recipe that screens offer, and the widgets that make them."""
