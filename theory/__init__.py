"""What one imitation step does to a student that shares its teacher's initialisation."""
