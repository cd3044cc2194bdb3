"""Models and prices as data: loaders take text, figures are integers."""
