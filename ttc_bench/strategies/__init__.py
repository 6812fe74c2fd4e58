"""How a draw of k samples becomes one answer, and the menu of methods. Pure; strategies never see the gold."""
