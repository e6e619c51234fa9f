// AG-UI's own client at the door: URL, key and skill.
import assert from "node:assert/strict";
import { HttpAgent } from "@ag-ui/client";

const [url, key, skill] = process.argv.slice(2);
const agent = new HttpAgent({
  url,
  headers: { Authorization: `Bearer ${key}` },
  initialMessages: [{ id: "1", role: "user", content: `Please ${skill}: the sea` }],
});
const types = [];
const { newMessages } = await agent.runAgent(
  { runId: `js-${skill}` },
  { onEvent: ({ event }) => void types.push(event.type) },
);
assert.equal(types[0], "RUN_STARTED");
assert.equal(types.at(-1), "RUN_FINISHED");
assert.ok(types.includes("TOOL_CALL_RESULT"), types.join());
assert.ok(agent.state.bill.total > 0, JSON.stringify(agent.state));
assert.ok(newMessages.some(({ content }) => content?.includes("done by the kit")), JSON.stringify(newMessages));
console.log("told by", types.length, "events; the bill:", agent.state.bill.total);
