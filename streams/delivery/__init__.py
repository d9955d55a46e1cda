"""The delivery path: from a consumed record to its ack, with nothing lost in between.

Faust gives the group membership, the agents and the lifecycle; everything that decides when a record is finished is
here, because stock Faust commits past unfinished records and acks failed ones (ARCHITECTURE.md, "Why the delivery path
is ours").

===============  =====================================================================
`tracker`      which offset may be committed: the first one that is not finished
`consumer`       the Faust consumer that delivers whole fetched chunks and commits by tracker
`producer`       confirmed sends that outlast an outage of the broker
`outcomes`          what becomes of a record: outputs, dead letter, another try, or a crash
`concurrent`     the shape for I/O: one task per record, bounded
`microbatch`     the shape for models: batches under a token budget, one made ready while one runs
`batch_queue`    its planner: which waiting records make the next batch, and when
`agent`          the Faust app of one stage
===============  =====================================================================
"""
