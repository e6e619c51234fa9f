import time
from tests.conftest import running
from tests.task.services import payment_service, task_service
from tests.task.system import listening
from tests.task.scripted_agent import answers
from tests.chat.talk import *

async def test_x(stack):
    t=time.monotonic()
    def lap(s):
        nonlocal t
        n=time.monotonic(); print(s, round(n-t,2)); t=n
    payment = payment_service(stack); reg=registry_service(stack)
    async with running(reg, payment, task_service(stack), chat_service(stack)):
        lap("start")
        async with listening(stack, payment) as system:
            talk=Talk(system, reg)
            client=await system.bus.client()
            await client.subscribe("bazaar.evt.turn.completed.*", cb=talk.hear)
            lap("listen")
            for i in range(4):
                acc=await system.account()
                sk=new_skill()
                async with talk.agent(sk, answers("the sea", 0.1)) as one:
                    lap("agent")
                    end=await talk.reply(acc, f"Write a {sk} about the sea")
                    lap("turn")
                    print(end)
                    end.check("completed")
                lap("off")
        lap("unlisten")
    lap("stop")
