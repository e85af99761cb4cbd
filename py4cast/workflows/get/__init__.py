"""get: data of services and archives, with a recipe of what was asked and a dataset's JSON of what came."""
