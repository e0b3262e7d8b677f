"""RAR on millions of pictures, by many processes on one or more machines, into Parquet: `make detect-many`."""
