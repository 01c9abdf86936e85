"""One function over many tasks: in this process, in several here, or on a Dask cluster."""
