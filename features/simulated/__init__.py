"""The parts of the simulated company; `features/simulator.py` puts them together."""
