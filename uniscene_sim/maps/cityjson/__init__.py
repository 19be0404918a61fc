"""Models of cities (CityJSON): buildings with their measured heights, beside a road network or as maps of their own.

What other plans of streets need too lives in `maps.street_plans`.
"""
