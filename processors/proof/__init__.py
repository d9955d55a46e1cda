"""The proof: does a model learn more from the curated samples than from a random draw of the same pool?"""
