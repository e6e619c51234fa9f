"""Holds: money set aside, captured, released, given back; and the budgets they count against."""
