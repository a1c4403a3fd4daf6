"""The frozen records that callers of the store get."""
