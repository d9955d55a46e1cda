"""The delivery path: carries a consumed record to its acknowledgement, without loss.

Faust provides the group membership, the agents and the lifecycle. This package decides when a record is finished. Stock
Faust cannot: it commits past unfinished records and acknowledges failed ones (ARCHITECTURE.md, "Why the delivery path
is ours").

================  ======================================================================
`offset_tracker`  the offset that may be committed: the first unfinished one
`consumer`        the Faust consumer that delivers whole fetched chunks and commits by tracker
`producer`        acknowledged sends that survive an outage of the broker
`outcomes`        the ways to finish a record: outputs, a dead letter, a retry, or a crash
`crashes`         the number of crashes per record, kept across restarts
`concurrent`      the runner of I/O stages: one task per record, bounded
`microbatch`      the runner of model stages: batches under a token budget, one prepared while one runs
`batch_queue`     its planner: the records of the next batch, and the time when it closes
`agent`           the Faust app of one stage
`config`          the settings of all of these
================  ======================================================================
"""
