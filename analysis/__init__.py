"""Records to tables, statistics, figures and one report."""
