"""The peers: a hop by plain aiokafka, written by hand for a batch, without Faust and without our code.

They confirm before they commit, and send in batches as large as ours. They do not validate, have no fate for a failed
record, and one slow record holds up its batch.
"""

import asyncio
from collections.abc import Callable

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.hop_task import Clock, Task
from streams.delivery.producer import MAX_BATCH_BYTES


async def with_json(task: Task, clock: Clock) -> None:
    """Consume, parse, serialise, send, confirm, commit."""
    await _hop(task, clock, lambda value: orjson.dumps(orjson.loads(value)))


async def without_json(task: Task, clock: Clock) -> None:
    """Do the same but pass the bytes on unread: the lowest possible cost of a hop in Python."""
    await _hop(task, clock, lambda value: value)


async def _hop(task: Task, clock: Clock, work: Callable[[bytes], bytes]) -> None:
    consumer = AIOKafkaConsumer(
        task.source,
        **task.connection.aiokafka(),
        group_id=task.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    producer = AIOKafkaProducer(
        **task.connection.aiokafka(),
        acks="all",
        enable_idempotence=not task.connection.embedded,
        max_batch_size=MAX_BATCH_BYTES,
    )
    async with producer, consumer:
        done = 0
        while done < task.messages:
            fetched = await consumer.getmany(timeout_ms=1000)
            sending = []
            for records in fetched.values():
                clock.start()
                sending += [await producer.send(task.target, work(r.value), key=r.key) for r in records]
            await asyncio.gather(*sending)
            if sending:
                await consumer.commit()
            done += len(sending)
        clock.stop()
