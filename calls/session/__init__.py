"""A live call's conversation: caller, model and tools. Pure asyncio, no database, no framework; `call_session` is the entry point."""
