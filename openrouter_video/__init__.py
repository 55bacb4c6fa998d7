"""OpenRouter's video API for data pipelines: values, decisions and thin edges, without Prefect."""
