"""Rollouts: the change of one service in one environment from the stable release to the candidate. Pure.

`model` has the nouns, `transitions` the one table, `decide` the decision, `invariants` the checker apart from it.
"""
