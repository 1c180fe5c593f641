"""What watches single requests where somebody has asked for it: the recorder, and traces."""
