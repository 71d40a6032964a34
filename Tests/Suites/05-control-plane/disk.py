"""The disk image that disk.c keeps: made at the start, read after the power cut.

  disk.py baseline WATCHED IMAGE          all that is there is on the disk
  disk.py rebuild WATCHED IMAGE TARGET SEED
      writes to TARGET what is left of WATCHED after a power cut; the seed decides which of the writes
      and names that were not synced had reached the disk all the same
  disk.py damage DATABASE TABLE           overwrites the pages that hold the rows of the table
  disk.py integrity DATABASE              prints what SQLite finds wrong; nothing for a sound database
"""
import os, random, shutil, sqlite3, struct, sys

PAGE = 4096


def baseline(watched, image):
    shutil.rmtree(image, ignore_errors=True)
    for part in ("durable", "pending", "names"):
        os.makedirs(f"{image}/{part}")
    for folder, folders, files in os.walk(watched):
        with open(f"{image}/names/{os.stat(folder).st_ino}", "w") as names:
            for name in folders + files:
                names.write(f"{os.lstat(f'{folder}/{name}').st_ino} {name}\n")
        for name in files:
            shutil.copyfile(f"{folder}/{name}", f"{image}/durable/{os.stat(f'{folder}/{name}').st_ino}")


def pending(path):
    """The writes since the last sync, in pieces of a page: a write is not one step for a disk."""
    data = open(path, "rb").read() if os.path.exists(path) else b""
    at = 0
    while at + 16 <= len(data):
        offset, length = struct.unpack_from("<qq", data, at)
        at += 16
        if length < 0:
            yield offset, None
            continue
        body = data[at : at + length]
        at += length
        while body:
            size = PAGE - offset % PAGE
            yield offset, body[:size]
            offset, body = offset + len(body[:size]), body[size:]


def rebuild(watched, image, target, seed):
    chance = random.Random(seed)

    def listed(folder, number):
        """inode -> name, as of the last sync or as of now."""
        now = {name: os.lstat(f"{folder}/{name}").st_ino for name in os.listdir(folder)}
        path = f"{image}/names/{number}"
        if not os.path.exists(path) or chance.random() < 0.5:
            return now
        lines = [line.rstrip("\n").split(" ", 1) for line in open(path)]
        return {name: int(inode) for inode, name in lines}

    def walk(folder, place):
        os.makedirs(place)
        for name, inode in sorted(listed(folder, os.stat(folder).st_ino).items()):
            source = f"{folder}/{name}"
            if name.endswith("-shm"):
                continue
            if os.path.isdir(source):
                walk(source, f"{place}/{name}")
                continue
            durable = f"{image}/durable/{inode}"
            log = f"{image}/pending/{inode}"
            if not os.path.exists(durable) and not os.path.exists(log):
                # Made and never written to: or gone, with its name still on the disk.
                if not os.path.exists(source):
                    continue
            content = bytearray(open(durable, "rb").read() if os.path.exists(durable) else b"")
            # Some disks keep nothing of what was not synced, some all, most something.
            share = chance.choice((0, 0.5, 1))
            for offset, piece in pending(log):
                if chance.random() >= share:
                    continue
                if piece is None:
                    del content[offset:]
                    content.extend(bytes(max(0, offset - len(content))))
                else:
                    content.extend(bytes(max(0, offset - len(content))))
                    content[offset : offset + len(piece)] = piece
            with open(f"{place}/{name}", "wb") as out:
                out.write(content)
            if os.path.exists(source):
                shutil.copymode(source, f"{place}/{name}")
        shutil.copymode(folder, place)

    walk(watched, target)


def damage(path, table):
    database = sqlite3.connect(path)
    size = database.execute("PRAGMA page_size").fetchone()[0]
    pages = database.execute("SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf'", (table,)).fetchall()
    database.close()
    with open(path, "r+b") as file:
        for (page,) in pages:
            file.seek((page - 1) * size)
            file.write(b"\xff" * size)


def integrity(path):
    database = sqlite3.connect(path)
    for (line,) in database.execute("PRAGMA integrity_check"):
        if line != "ok":
            print(line)
    for row in database.execute("PRAGMA foreign_key_check"):
        print("foreign key", row)
    database.close()


commands = {"baseline": baseline, "rebuild": rebuild, "damage": damage, "integrity": integrity}
commands[sys.argv[1]](*sys.argv[2:])
