"""CurvePoints to figures; computes nothing."""
