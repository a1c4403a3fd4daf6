"""What every study uses: inputs, settings, results, reports."""
