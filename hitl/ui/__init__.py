"""The seam to Streamlit: frame, cached resources, widgets, error display."""
