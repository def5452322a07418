"""The version of Echelon: stated here alone, so that a Bento or a bare clone knows it, too."""

VERSION = "0.1.0"
