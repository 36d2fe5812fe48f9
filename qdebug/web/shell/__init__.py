"""What stands around every screen: navigation, sidebar, score strip."""
