"""Gates: the pure judgement of a candidate against the stable version on live request counts."""
