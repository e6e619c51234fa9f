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
        WHERE owed > 0 AND id NOT LIKE 'seller:%' AND owed > coalesce((
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
    "an earning is what its agent was paid, less what was given back": """
        SELECT e.step_id FROM {earnings} e
        LEFT JOIN (SELECT step_id,
                          coalesce(sum(amount) FILTER (WHERE kind = 'capture'), 0) AS got,
                          -coalesce(sum(amount) FILTER (
                            WHERE kind = 'refund' AND ledger_account LIKE 'agent:%'), 0) AS agents,
                          -coalesce(sum(amount) FILTER (
                            WHERE kind = 'refund' AND ledger_account LIKE 'seller:%'), 0) AS sellers
                   FROM {entries} l
                   WHERE ledger_account LIKE 'agent:%' OR ledger_account LIKE 'seller:%'
                   GROUP BY 1) l USING (step_id)
        WHERE e.amount <> coalesce(l.got, 0)
           OR e.returned <> coalesce(l.agents + l.sellers, 0)
           OR coalesce(l.agents, 0)
              <> CASE WHEN e.settled_at IS NULL THEN e.returned ELSE e.amount - e.settled END""",
    "what was settled left its agents, once": """
        SELECT transfer_id FROM (
          SELECT transfer_id, agent_id, owner, sum(settled) AS moved FROM {settled} s
          GROUP BY 1, 2, 3 HAVING sum(settled) <> 0) e
        FULL JOIN (
          SELECT transfer_id, substr(ledger_account, 7) AS agent_id, account AS owner,
                 -sum(amount) AS left_it
          FROM {transfers} t WHERE kind = 'settled' AND ledger_account LIKE 'agent:%'
          GROUP BY 1, 2, 3) l USING (transfer_id, agent_id, owner)
        WHERE e.moved IS DISTINCT FROM l.left_it""",
    "each line of a seller is its owner's": """
        SELECT id FROM {transfers} t
        WHERE kind IN ('settled', 'payout', 'payout_failed') AND ledger_account LIKE 'seller:%'
          AND ledger_account <> 'seller:' || account""",
    "a payout moved what it is of, once": """
        SELECT p.id FROM {payouts} p
        FULL JOIN (SELECT step_id, account,
                          -coalesce(sum(amount) FILTER (
                            WHERE kind = 'payout' AND ledger_account LIKE 'seller:%'), 0) AS asked,
                          coalesce(sum(amount) FILTER (
                            WHERE kind = 'payout_paid' AND ledger_account = 'world'), 0) AS paid,
                          coalesce(sum(amount) FILTER (
                            WHERE kind = 'payout_failed' AND ledger_account LIKE 'seller:%'), 0)
                            AS back
                   FROM {entries} l WHERE kind IN ('payout', 'payout_paid', 'payout_failed')
                   GROUP BY 1, 2) l ON l.step_id = p.id AND l.account = p.owner
        WHERE p.amount IS DISTINCT FROM l.asked
           OR l.paid <> CASE p.status WHEN 'paid' THEN p.amount ELSE 0 END
           OR l.back <> CASE p.status WHEN 'failed' THEN p.amount ELSE 0 END""",
    "what is on its way to sellers is what payouts are under way": """
        SELECT 1 WHERE coalesce((SELECT posted FROM payment.ledger_accounts
                                 WHERE id = 'seller_payouts'), 0)
          <> (SELECT coalesce(sum(amount), 0) FROM payment.payouts WHERE status = 'pending')""",
    "no seller was paid more than was settled": """
        SELECT owner FROM (SELECT DISTINCT owner FROM {payouts} p) o
        WHERE (SELECT sum(amount) FROM payment.payouts p
               WHERE p.owner = o.owner AND p.status <> 'failed')
          > (SELECT coalesce(sum(settled), 0) FROM payment.earnings e
             WHERE e.owner = o.owner AND e.settled_at IS NOT NULL)""",
    "a payment by a machine was credited once, when it was settled": """
        SELECT coalesce(r.id, l.step_id) FROM {receipts} r
        FULL JOIN (SELECT step_id, account, sum(amount) AS came FROM {entries} e
                   WHERE kind = 'machine_top_up' AND ledger_account LIKE 'wallet:%'
                   GROUP BY 1, 2) l ON l.step_id = r.id AND l.account = r.account
        WHERE coalesce(l.came, 0) <> CASE r.status WHEN 'settled' THEN r.amount ELSE 0 END""",
    "what agents were sent is what their steps bought": """
        SELECT h.id FROM {outside} p JOIN payment.holds h ON h.id = p.hold_id
        WHERE p.status = 'paid' GROUP BY h.id, h.external HAVING sum(p.amount) <> h.external""",
    "a seller owes at most what was given back after it was settled": """
        SELECT id FROM payment.ledger_accounts a
        WHERE owed > 0 AND id LIKE 'seller:%' AND owed > (
          SELECT coalesce(sum(e.returned - (e.amount - e.settled)), 0) FROM payment.earnings e
          WHERE e.owner = substr(a.id, 8) AND e.settled_at IS NOT NULL)""",
}
"""The rules of the books, each with a query that finds what breaks it."""
