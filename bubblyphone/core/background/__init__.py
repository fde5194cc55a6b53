"""Background work: jobs, their schedules, and the tasks of the clock process."""
