"""A recorded run as one HTML page that needs no network: what it shows, thinned and packed, and the page's own code.

Recordings are only read here; the page's script draws, and nothing on the page is computed twice."""
