"""The quality gates: defects that one sample shows by itself. Scoring measures, and diversity judges."""
