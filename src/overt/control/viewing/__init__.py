"""Viewing: wall and review, layouts, tours, floor plans, and the grants that let a page see pictures."""
