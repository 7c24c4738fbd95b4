"""Add each feature's parts to the transaction of a change, and interpret their refusals."""
