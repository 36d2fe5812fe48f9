"""The screens: state, widgets and shown errors. The only room that imports streamlit; it never imports torch."""
