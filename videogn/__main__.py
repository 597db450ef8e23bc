"""python -m videogn"""

from videogn.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
