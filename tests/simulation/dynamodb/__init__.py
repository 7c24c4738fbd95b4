"""A model of DynamoDB, for tests that need millions of requests, or a service that misbehaves.

It knows the requests that the library sends, and those that other writers send for single rows.
`test_differential.py` holds it to DynamoDB Local and to moto.

What it leaves out raises `NotModelledError`, so that it never answers by guess: paths within an
attribute (`a.b`, `a[0]`), queries on the table itself, `UPDATED_OLD` and `UPDATED_NEW`, parameters
that ask for capacity. There is one table, with a partition key only; all keys are texts. Scan,
BatchWriteItem, TransactGetItems, PartiQL, streams, capacity and global tables are missing.
"""
