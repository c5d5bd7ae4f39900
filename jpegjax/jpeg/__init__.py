"""How is a JPEG made and read?"""
