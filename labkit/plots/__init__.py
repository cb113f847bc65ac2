"""Figures: tidy DataFrame -> matplotlib Figure, one file per kind of figure, each with its sentence in words.

Every file has two functions of the same data: one draws, `sentence` says what is to be seen. Colours are the
colour-blind safe ones of Okabe and Ito, and markers differ as well, so that a print in grey can be read.
"""
