// The yardstick of a mock: the same routes by Express, everything in memory, one log line a request.
// Nothing survives its end. Run by bench.performance with PORT and AGENT_URL in the environment.
import { randomUUID } from "node:crypto";
import express from "express";

const NAMES = ["summarizer", "translator", "search", "mock_busy", "mock_highprice", "mock_negotiator"];
const PAGE = 100;
const KEPT = 10_000;

const agents = NAMES.map((id) => ({
  id, name: `${id} agent`, description: "Does what its name says, for whoever pays",
  skills: ["summarize", "condense", "extract"], capabilities: ["Summarizes articles", "Extracts key points"],
  basePrice: 0.05, dynamicPrice: 0.05, load: 0, rating: 5, jobsCompleted: 0,
  endpointUrl: process.env.AGENT_URL, avgResponseTime: 0, availability: true,
}));
const tasks = new Map();
const steps = new Map();

const app = express();
app.use(express.json());
app.use((req, res, next) => {
  const began = Date.now();
  const json = res.json;
  let said;
  res.json = function (body) {
    said = body;
    return json.call(this, body);
  };
  res.on("finish", () => {
    const line = `${req.method} ${req.path} ${res.statusCode} in ${Date.now() - began}ms :: ${JSON.stringify(said)}`;
    console.log(line.length > 80 ? `${line.slice(0, 79)}…` : line);
  });
  next();
});

app.get("/api/agents", (req, res) => res.json(agents));

app.get("/api/tasks", (req, res) => {
  const newest = [...tasks.values()].sort((a, b) => b.createdAt - a.createdAt);
  res.json(newest.slice(0, PAGE));
});

app.get("/api/tasks/:id/steps", (req, res) => res.json((steps.get(req.params.id) ?? []).slice(0, PAGE)));

app.post("/api/tasks", (req, res) => {
  const { userQuery, requiredSkills = [], maxBudget = 1 } = req.body;
  const task = {
    id: randomUUID(), userQuery, requiredSkills, status: "created", maxBudget, totalCost: 0,
    createdAt: new Date(), completedAt: null,
  };
  tasks.set(task.id, task);
  if (tasks.size > KEPT) tasks.delete(tasks.keys().next().value);
  res.json(task);
});

app.post("/api/invoke-agent", async (req, res, next) => {
  try {
    const { agentId, taskId, payload } = req.body;
    const answer = await fetch(`${process.env.AGENT_URL}/execute`, { method: "POST", body: JSON.stringify(payload) });
    const found = await answer.json();
    const step = {
      id: randomUUID(), taskId, agentId, subtaskType: found.subtask_type, status: "completed", cost: found.cost,
      externalCost: found.external_cost, requiresExternalTool: found.requires_external_tool,
      result: found.result, createdAt: new Date(), completedAt: new Date(),
    };
    steps.set(taskId, [...(steps.get(taskId) ?? []), step]);
    res.json({ ...found, taskId, stepId: step.id });
  } catch (error) {
    next(error);
  }
});

app.listen(Number(process.env.PORT), "127.0.0.1");
