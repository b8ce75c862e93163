"""Second-order training of small networks beside its peers: RMSE against time.

``python -m chainrule.benchmarks.surrogates`` runs it.
"""
