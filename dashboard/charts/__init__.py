"""Figures: functions from data to a Plotly figure, one module a page (`charts/explore.py`, ...).

A figure function takes tables or arrays and returns a `plotly.graph_objects.Figure`. It imports no Streamlit,
sets no fonts, backgrounds or grid colours (`theme.py` does, for dark and light, when `widgets.chart` shows
the figure), and colours classes with `class_color`.
"""

from dashboard.charts.theme import class_color, class_colors, style_figure

__all__ = ["class_color", "class_colors", "style_figure"]
