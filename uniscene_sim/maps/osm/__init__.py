"""Extracts of OpenStreetMap as maps: streets with lanes, and what stands along them.

Only here is `osmium` imported. What other plans of streets need too lives in `maps.street_plans`.
"""
