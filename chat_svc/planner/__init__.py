"""The rule planner: plans what a person typed into the chat onto the agents of a list.

It is pure: no input or output, no clock, no chance. It knows agents only from the list that it
is given, and finds them by their skills, capabilities and descriptions.
"""

from chat_svc.planner.account import Topic as Topic
from chat_svc.planner.agents import kind_of as kind_of
from chat_svc.planner.agents import terms as terms
from chat_svc.planner.gate import Purchase as Purchase
from chat_svc.planner.gate import Reason as Reason
from chat_svc.planner.gate import cap_of as cap_of
from chat_svc.planner.gate import objections as objections
from chat_svc.planner.gate import told as told
from chat_svc.planner.model import MAX_ALTERNATIVES as MAX_ALTERNATIVES
from chat_svc.planner.model import MAX_STEPS as MAX_STEPS
from chat_svc.planner.model import RESULT_KEY as RESULT_KEY
from chat_svc.planner.model import Candidate as Candidate
from chat_svc.planner.model import Earlier as Earlier
from chat_svc.planner.model import Made as Made
from chat_svc.planner.model import Plan as Plan
from chat_svc.planner.model import PlannedStep as PlannedStep
from chat_svc.planner.model import Text as Text
from chat_svc.planner.model import money as money
from chat_svc.planner.payload import payload_for as payload_for
from chat_svc.planner.payload import text_in as text_in
from chat_svc.planner.plan import plan as plan
from chat_svc.planner.plan import too_dear as too_dear
from chat_svc.planner.talk import TO_LOOK_UP as TO_LOOK_UP
from chat_svc.planner.wish import QUALITIES as QUALITIES
