"""Results of batteries and meters as Parquet files that any tool reads."""
