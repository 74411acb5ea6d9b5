"""Runs beside the GPU: takes a plan, measures it case by case, writes records."""
