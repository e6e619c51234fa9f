"""The rules of the books, each as a query that finds what breaks it; what it reads is in braces."""

RULES: dict[str, str] = {
    "every transfer adds up to zero": """
        SELECT transfer_id FROM {transfers} t GROUP BY transfer_id HAVING sum(amount) <> 0""",
    "the ledger adds up to zero": """
        SELECT 1 FROM {balances} b HAVING sum(posted) <> 0""",
    "each balance is the sum of its lines": """
        SELECT id FROM payment.ledger_accounts a
        FULL JOIN {balances} e USING (id)
        WHERE coalesce(a.posted, 0) <> coalesce(e.posted, 0)""",
    "each line of a wallet is its owner's": """
        SELECT id FROM {transfers} t
        WHERE ledger_account LIKE 'wallet:%' AND ledger_account <> 'wallet:' || account""",
    "nothing available is negative": """
        SELECT id FROM payment.ledger_accounts WHERE id <> 'world' AND posted - held + owed < 0""",
    "what is owed is what is lacking": """
        SELECT id FROM payment.ledger_accounts
        WHERE id <> 'world' AND owed <> greatest(0, held - posted)""",
    "nobody owes more than was taken back of top-ups": """
        SELECT id FROM payment.ledger_accounts a
        WHERE owed > 0 AND owed > coalesce((
          SELECT sum(taken_back) FROM payment.stripe_payments c
          WHERE c.taken_back > 0 AND c.account = substr(a.id, 8) AND a.id LIKE 'wallet:%'), 0)""",
    "what was taken back of top-ups left their wallets": """
        SELECT coalesce(r.transfer_id, t.transfer_id) FROM {returns} r
        FULL JOIN (SELECT transfer_id, -sum(amount) AS taken FROM {transfers} e
                   WHERE kind IN ('top_up_reversed', 'top_up_restored')
                     AND ledger_account LIKE 'wallet:%'
                   GROUP BY 1) t ON t.transfer_id = r.transfer_id
        WHERE coalesce(r.amount, 0) <> coalesce(t.taken, 0)""",
    "no top-up is taken back twice, or without having been credited": """
        SELECT c.id FROM (SELECT payment_id, sum(amount) AS taken
                          FROM payment.top_up_returns GROUP BY 1) r
        FULL JOIN (SELECT * FROM payment.stripe_payments WHERE taken_back > 0) c
          ON c.id = r.payment_id
        WHERE coalesce(r.taken, 0) <> coalesce(c.taken_back, 0)
           OR c.taken_back > c.amount OR c.status <> 'completed' OR c.type <> 'balance_load'
           OR c.refund_of IS NOT NULL""",
    "what wallets hold is what open holds hold": """
        SELECT id FROM payment.ledger_accounts a
        FULL JOIN (SELECT 'wallet:' || account AS id, sum(held) AS held
                   FROM payment.holds WHERE status = 'held' GROUP BY 1) h USING (id)
        WHERE coalesce(a.held, 0) <> coalesce(h.held, 0)""",
    "each hold is captured at most once": """
        SELECT step_id FROM {entries} e WHERE kind = 'capture'
        GROUP BY step_id HAVING count(DISTINCT transfer_id) > 1""",
    "a hold is captured or released, never both": """
        SELECT h.id FROM {holds} h
        WHERE h.status <> 'captured' AND (h.captured > 0 OR EXISTS (
          SELECT FROM payment.entries e WHERE e.step_id = h.id AND e.kind = 'capture'))""",
    "captured is at most held": """
        SELECT id FROM {holds} h WHERE captured + external > held""",
    "no bill is paid above its quote": """
        SELECT id FROM {holds} h
        WHERE quoted IS NOT NULL
          AND (captured + external > quoted * tolerance OR held > quoted * tolerance)""",
    "no credential spends more than its limit": """
        SELECT id FROM {spenders} s WHERE held + captured > most""",
    "what a credential spent is what its holds hold and paid": """
        SELECT s.id FROM {spenders} s LEFT JOIN LATERAL (
          SELECT coalesce(sum(held) FILTER (WHERE status = 'held'), 0) AS held,
                 coalesce(sum(captured + external - refunded - external_refunded), 0) AS paid
          FROM payment.holds h WHERE h.spender = s.id) h ON true
        WHERE s.held <> h.held OR s.captured <> h.paid""",
    "what was captured left the wallet": """
        SELECT h.id FROM {holds} h
        FULL JOIN (SELECT step_id, -sum(amount) AS paid FROM {entries} e
                   WHERE kind = 'capture' AND ledger_account LIKE 'wallet:%'
                   GROUP BY 1) e ON e.step_id = h.id
        WHERE coalesce(h.captured + h.external, 0) <> coalesce(e.paid, 0)""",
    "what the platform kept is its fees less what it gave back": """
        SELECT h.id FROM {holds} h
        FULL JOIN (SELECT step_id,
                          coalesce(sum(amount) FILTER (WHERE kind = 'capture'), 0) AS kept,
                          -coalesce(sum(amount) FILTER (WHERE kind = 'refund'), 0) AS returned
                   FROM {entries} e WHERE ledger_account = 'platform_fees'
                   GROUP BY 1) e ON e.step_id = h.id
        WHERE coalesce(h.fee, 0) <> coalesce(e.kept, 0) OR e.returned NOT BETWEEN 0 AND e.kept
           OR coalesce(e.returned, 0) * 1000000
              <> div(h.fee * h.refunded * 1000000, nullif(h.captured, 0))""",
    "what was refunded came back": """
        SELECT h.id FROM {holds} h
        FULL JOIN (SELECT step_id, sum(amount) AS paid FROM {entries} e
                   WHERE kind = 'refund' AND ledger_account LIKE 'wallet:%'
                   GROUP BY 1) e ON e.step_id = h.id
        WHERE coalesce(h.refunded + h.external_refunded, 0) <> coalesce(e.paid, 0)""",
    "a task's cost is its captures less its refunds": """
        SELECT task_id FROM {budgets} b
        FULL JOIN (SELECT task_id, sum(captured + external - refunded - external_refunded) AS paid,
                          sum(held) FILTER (WHERE status = 'held') AS held
                   FROM {task_holds} t GROUP BY 1) h USING (task_id)
        WHERE coalesce(b.captured, 0) <> coalesce(h.paid, 0)
           OR coalesce(b.held, 0) <> coalesce(h.held, 0)""",
    "no task is over its budget": """
        SELECT task_id FROM {budgets} b WHERE held + captured > max_budget""",
    "payment records are what was captured": """
        SELECT h.id FROM {holds} h
        FULL JOIN (SELECT step_id, sum(amount) AS paid,
                          coalesce(sum(amount) FILTER (WHERE type = 'platform_fee'), 0) AS fee
                   FROM {payments} p
                   WHERE type <> 'refund' GROUP BY 1) p ON p.step_id = h.id
        WHERE coalesce(h.captured, 0) <> coalesce(p.paid, 0)
           OR coalesce(h.fee, 0) <> coalesce(p.fee, 0)""",
    "refund records are what was refunded": """
        SELECT h.id FROM {holds} h
        FULL JOIN (SELECT step_id, sum(amount) AS paid FROM {payments} p
                   WHERE type = 'refund' GROUP BY 1) p ON p.step_id = h.id
        WHERE coalesce(h.refunded, 0) <> coalesce(p.paid, 0)""",
    "card records are what agents bought": """
        SELECT h.id FROM {holds} h
        FULL JOIN (SELECT step_id, sum(amount) AS paid FROM {cards} p
                   WHERE type = 'card_spend' GROUP BY 1) p ON p.step_id = h.id
        WHERE coalesce(h.external, 0) <> coalesce(p.paid, 0)""",
    "card refunds are what was given back of purchases": """
        SELECT h.id FROM {holds} h
        FULL JOIN (SELECT step_id, sum(amount) AS paid FROM {cards} p
                   WHERE refund_of IS NOT NULL GROUP BY 1) p ON p.step_id = h.id
        WHERE coalesce(h.external_refunded, 0) <> coalesce(p.paid, 0)""",
    "the journal of a hold is what it held and what of that was captured": """
        SELECT h.id FROM {task_holds} h
        FULL JOIN (SELECT hold_id, sum(amount) AS held,
                          -sum(amount) FILTER (WHERE kind = 'captured') AS captured
                   FROM {hold_lines} l GROUP BY 1) l ON l.hold_id = h.id
        WHERE coalesce(l.held, 0) <> CASE h.status WHEN 'held' THEN h.held ELSE 0 END
           OR coalesce(l.captured, 0) <> coalesce(h.captured + h.external, 0)""",
}
"""The rules of the books, each with a query that finds what breaks it."""
