"""Reports of a batch: one HTML page that says what failed and shows why, JUnit for CI, and one merged JSON.

Results are only told here, never judged: whatever stands in a report stands in its `CaseResult`.
"""
