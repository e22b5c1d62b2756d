"""Broken files of every format: what is done to a whole dataset, and the line that it must give.

`BROKEN` maps the name of a case to (format, changes, message); the changes map files to their new
content, to None for none, or to (old, new) text. In messages, {d} is the dataset's folder; one that
begins with a mark goes on from the first changed file.
"""

import struct
import zlib


def chunk(kind, data):
    """Return a chunk of a PNG file."""
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png(width, height, *chunks):
    """Return a PNG file that says it has such a size, with hardly any pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000), 9))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + pixels + chunk(b"IEND", b"")


def gif(width, height):
    """Return the header of a GIF file of such a size."""
    frame = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0)
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\0\0\0" + frame + b"\x02\x01\0\0;"


def bmp(width, height):
    """Return the header of a BMP file of such a size."""
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 100, 0, 0, 54) + info + bytes(100)


def tiff(width, height):
    """Return a TIFF file of such a size without pixels."""
    tags = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1)]
    tags += [(273, 4, 8), (277, 3, 1), (278, 4, height), (279, 4, 1)]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)


DEEP_XML = b"<annotation>" + b"<object>" * 10
TREE = '{"LabelName": "/m/a", "Subcategory": [' * 20_000
ANCHORS = "a: &a [x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
BILLION = '<!DOCTYPE a [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {new} "{f"&{old};" * 9}">' for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
ROWS = "rows.csv"
JSON = "annotations/instances_val2017.json"
XML = "Annotations/a.xml"
TXT = "val/labels/a.txt"
OID = "annotations/validation-annotations-bbox.csv"
OID_CLASSES = "annotations/class-descriptions-boxable.csv"
OID_TREE = "annotations/bbox_labels_600_hierarchy.json"
YOLO = "labels/val/a.txt"
YAML = "data.yaml"
VOC_BOX = "<bndbox><xmin>4</xmin><ymin>5</ymin><xmax>21</xmax><ymax>31</ymax></bndbox>"
SQUARE = "3,4,20,30,square"  # the first row's fields

BROKEN = {
    # csv: the file
    "csv: missing": ("csv", {ROWS: None}, ": the file does not exist. Check the path"),
    "csv: empty": ("csv", {ROWS: ""}, ": the file is empty. Write one row a line"),
    "csv: blank lines": (
        "csv",
        {ROWS: "\n \n,,,\n"},
        ": the file holds nothing but blank lines. Write one row a line",
    ),
    "csv: UTF-16": (
        "csv",
        {ROWS: "a.png,1,2,3,4,disc\n".encode("utf-16")},
        ", line 1: wrong encoding: byte 0xff is not UTF-8 (the file looks like UTF-16). "
        "Save it as UTF-8",
    ),
    "csv: Latin-1": (
        "csv",
        {ROWS: b"a.png,,,,,\nK\xe4se.png,,,,,\n"},
        ", line 2: wrong encoding: byte 0xe4 is not UTF-8 (the file looks like Latin-1 or "
        "Windows-1252). Save it as UTF-8",
    ),
    "csv: NUL bytes": (
        "csv",
        {ROWS: "a.png,1,2,3,4,disc\0\n"},
        ", line 1: a field holds a line break or NUL byte. Close its quote, or save the "
        "file as plain text",
    ),
    "csv: open quote": (
        "csv",
        {ROWS: '"a.png,1,2,3,4,disc\nb.png,1,2,3,4,disc\n'},
        ", line 1: a field holds a line break or NUL byte. Close its quote, or save the "
        "file as plain text",
    ),
    "csv: huge field": (
        "csv",
        {ROWS: "a" * 200_000 + ",1,2,3,4,disc\n"},
        ", line 1: not CSV: field larger than field limit (131072). Save it as plain text",
    ),
    "csv: a folder": (
        "csv",
        {ROWS: None, ROWS + "/x": ""},
        ": this is a folder. Name the CSV file in it",
    ),
    "csv: semicolons": (
        "csv",
        {ROWS: "a.png;1;2;3;4;disc\n"},
        ", line 1: format should be 'img_file,x1,y1,x2,y2,class_name' or 'img_file,,,,,', "
        "found 1 fields, separated by semicolons. Write 6 fields with commas between them",
    ),
    "csv: header without class": (
        "csv",
        {ROWS: "path,xmin,ymin,xmax,ymax\n"},
        ", line 1: the header 'path,xmin,ymin,xmax,ymax' has no column for class. Name "
        "exactly one column class or class_name or label",
    ),
    "csv: header only": (
        "csv",
        {ROWS: "path,x1,y1,x2,y2,class\n"},
        ", line 1: there are no annotations. The format is "
        "'img_file,x1,y1,x2,y2,class_name' or 'img_file,,,,,'",
    ),
    # csv: the fields
    "csv: no path": (
        "csv",
        {ROWS: ",1,2,3,4,disc\n"},
        ", line 1: format should be 'img_file,x1,y1,x2,y2,class_name' or 'img_file,,,,,', "
        "found no file name. Write the picture's path first",
    ),
    "csv: cut row": (
        "csv",
        {ROWS: "pictures/a.png,1,2\n"},
        ", line 1: format should be 'img_file,x1,y1,x2,y2,class_name' or 'img_file,,,,,', "
        "found 3 fields. Write 6 fields with commas between them",
    ),
    "csv: some fields empty": (
        "csv",
        {ROWS: "pictures/a.png,1,2,,4,disc\n"},
        ", line 1: malformed x2: '' is not a finite number of pixels. Write x1,y1,x2,y2 in "
        "pixels, or leave all five fields empty for an image without objects; a header "
        "must name its columns path,x1,y1,x2,y2,class",
    ),
    "csv: word for x1": (
        "csv",
        {ROWS: (SQUARE, "three,4,20,30,square")},
        ", line 1: malformed x1: 'three' is not a finite number of pixels. Write "
        "x1,y1,x2,y2 in pixels, or leave all five fields empty for an image without "
        "objects; a header must name its columns path,x1,y1,x2,y2,class",
    ),
    "csv: nan": (
        "csv",
        {ROWS: (SQUARE, "3,nan,20,30,square")},
        ", line 1: malformed y1: 'nan' is not a finite number of pixels. Write x1,y1,x2,y2 "
        "in pixels, or leave all five fields empty for an image without objects; a header "
        "must name its columns path,x1,y1,x2,y2,class",
    ),
    "csv: infinite": (
        "csv",
        {ROWS: (SQUARE, "3,4,inf,30,square")},
        ", line 1: malformed x2: 'inf' is not a finite number of pixels. Write x1,y1,x2,y2 "
        "in pixels, or leave all five fields empty for an image without objects; a header "
        "must name its columns path,x1,y1,x2,y2,class",
    ),
    "csv: huge": (
        "csv",
        {ROWS: (SQUARE, "3,4,1e300,30,square")},
        ", line 1: malformed x2: '1e300' is not a finite number of pixels. Write "
        "x1,y1,x2,y2 in pixels, or leave all five fields empty for an image without "
        "objects; a header must name its columns path,x1,y1,x2,y2,class",
    ),
    "csv: swapped": (
        "csv",
        {ROWS: (SQUARE, "20,4,3,30,square")},
        ", line 1: x2 (3) must be higher than x1 (20). Write x1,y1,x2,y2 in pixels, or "
        "leave all five fields empty for an image without objects",
    ),
    "csv: no area": (
        "csv",
        {ROWS: (SQUARE, "3,4,20,4,square")},
        ", line 1: y2 (4) must be higher than y1 (4). Write x1,y1,x2,y2 in pixels, or "
        "leave all five fields empty for an image without objects",
    ),
    "csv: x, y, width, height": (
        "csv",
        {ROWS: (SQUARE, "30,4,17,26,square")},
        ", line 1: x2 (17) must be higher than x1 (30). Write x1,y1,x2,y2 in pixels, or "
        "leave all five fields empty for an image without objects",
    ),
    "csv: unknown class": (
        "csv",
        {ROWS: (SQUARE, "3,4,20,30,squaer")},
        ", line 1: unknown class name: 'squaer' (classes: disc, square, crowd). Did you "
        "mean 'square'? Mend the name, or add it to the class file",
    ),
    # csv: the class file
    "csv classes: missing": (
        "csv",
        {"classes.csv": None},
        ": the file does not exist. Check the path",
    ),
    "csv classes: empty": ("csv", {"classes.csv": ""}, ": the file is empty. Write one row a line"),
    "csv classes: no id": (
        "csv",
        {"classes.csv": "disc\n"},
        ", line 1: format should be 'class_name,class_id', found 'disc'. Give each class a "
        "name and a number from 0",
    ),
    "csv classes: negative id": (
        "csv",
        {"classes.csv": "disc,-1\n"},
        ", line 1: malformed class ID: '-1' is not a whole number from 0 to 65535. Number "
        "the classes 0, 1, 2, ...",
    ),
    "csv classes: huge id": (
        "csv",
        {"classes.csv": "disc,99999999999999999999\n"},
        ", line 1: malformed class ID: '99999999999999999999' is not a whole number from 0 "
        "to 65535. Number the classes 0, 1, 2, ...",
    ),
    "csv classes: id twice": (
        "csv",
        {"classes.csv": "disc,0\nsquare,0\n"},
        ", line 2: duplicate class ID: 0, already on line 1. Give each class its own number",
    ),
    "csv classes: name twice": (
        "csv",
        {"classes.csv": "disc,0\ndisc,1\n"},
        ", line 2: duplicate class name: 'disc', already on line 1. Name each class once",
    ),
    # pictures
    "picture: missing": (
        "csv",
        {"pictures/a.png": None},
        ": there is no such file. Check the path.",
    ),
    "picture: empty": (
        "coco",
        {"images/val2017/a.png": ""},
        ": the file is empty. Copy it again from its source, or leave it out.",
    ),
    "picture: text": (
        "pascal",
        {"JPEGImages/a.png": "hello"},
        ": not a picture of a known format (it begins with b'hello'). Convert it to JPEG "
        "or PNG, or leave it out.",
    ),
    "picture: a PNG of 10 gigapixels": (
        "csv",
        {"pictures/a.png": png(100_000, 100_000)},
        ": 100000 x 100000 is 10000000000 pixels, over the limit of 178956970. Make the "
        "picture smaller or, if you trust it, raise the limit (--max-pixels).",
    ),
    "picture: a PNG of the largest sides": (
        "yolo",
        {"images/val/a.png": png(2**31 - 1, 2**31 - 1)},
        ": 2147483647 x 2147483647 is 4611686014132420609 pixels, over the limit of "
        "178956970. Make the picture smaller or, if you trust it, raise the limit (--max-pixels).",
    ),
    "picture: a PNG of no width": (
        "kitti",
        {"val/images/a.png": png(0, 10)},
        ": not a picture of a known format (it begins with "
        "b'\\x89PNG\\r\\n\\x1a\\n\\x00\\x00\\x00\\rIHDR'). Convert it to JPEG or PNG, or "
        "leave it out.",
    ),
    "picture: a GIF of 4 gigapixels": (
        "csv",
        {"pictures/a.png": gif(65535, 65535)},
        ": 65535 x 65535 is 4294836225 pixels, over the limit of 178956970. Make the "
        "picture smaller or, if you trust it, raise the limit (--max-pixels).",
    ),
    "picture: a BMP of 10 gigapixels": (
        "csv",
        {"pictures/a.png": bmp(100_000, 100_000)},
        ": 100000 x 100000 is 10000000000 pixels, over the limit of 178956970. Make the "
        "picture smaller or, if you trust it, raise the limit (--max-pixels).",
    ),
    "picture: a TIFF of 10 gigapixels": (
        "csv",
        {"pictures/a.png": tiff(100_000, 100_000)},
        ": 100000 x 100000 is 10000000000 pixels, over the limit of 178956970. Make the "
        "picture smaller or, if you trust it, raise the limit (--max-pixels).",
    ),
    "picture: a PNG whose text unpacks to 64 MB": (
        "csv",
        {"pictures/a.png": png(8, 8, chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(2**26), 9)))},
        ": not a picture of a known format (it begins with "
        "b'\\x89PNG\\r\\n\\x1a\\n\\x00\\x00\\x00\\rIHDR'). Convert it to JPEG or PNG, or "
        "leave it out.",
    ),
    "picture: half a PNG": (
        "coco",
        {"images/val2017/a.png": png(60, 40)[:60]},
        ": the PNG picture is cut off after 60 bytes (its end is missing). Copy it again "
        "from its source, or leave it out.",
    ),
    "picture: JPEG without an end": (
        "oid",
        {"images/validation/a.jpg": b"\xff\xd8\xff\xe0"},
        ": the JPEG picture is cut off after 4 bytes (its end is missing). Copy it again "
        "from its source, or leave it out.",
    ),
    # coco
    "coco: missing": ("coco", {JSON: None}, ": the file does not exist. Check the path"),
    "coco: empty": ("coco", {JSON: ""}, ": the file is empty. Export the annotations again"),
    "coco: cut": (
        "coco",
        {JSON: '{"images": [{"id": 1,'},
        ", line 1: not JSON: Expecting property name enclosed in double quotes at column "
        "22. Export the annotations again",
    ),
    "coco: Latin-1": (
        "coco",
        {JSON: b'{"images": "\xe4"}'},
        ": byte 0xe4 at 12 is not utf-8. Save the file as UTF-8",
    ),
    "coco: nested 100,000 deep": (
        "coco",
        {JSON: "[" * 100_000},
        ": nested too deeply. Export the annotations again",
    ),
    "coco: a list": (
        "coco",
        {JSON: "[]"},
        ": not a COCO file: no 'images', 'annotations', 'categories'",
    ),
    "coco: no images": (
        "coco",
        {JSON: ('"images"', '"pictures"')},
        ": not a COCO file of boxes: there is no list 'images'",
    ),
    "coco: no categories": (
        "coco",
        {JSON: '{"images": [{}], "annotations": [], "categories": []}'},
        ": not a COCO file of boxes: the list 'categories' is empty",
    ),
    "coco: an image that is a number": (
        "coco",
        {JSON: ('[{"id": 11,', '[3, {"id": 11,')},
        ": images[0] is '3', not an object",
    ),
    "coco: an image without id": (
        "coco",
        {JSON: ('{"id": 11, "file', '{"file')},
        ": images[0] has no 'id' that is a number: 'None'",
    ),
    "coco: an image id twice": (
        "coco",
        {JSON: ('{"id": 12', '{"id": 11')},
        ": images[1] repeats the id 11. Give each picture its own",
    ),
    "coco: no file name": (
        "coco",
        {JSON: ('"file_name": "a.png"', '"file": "a.png"')},
        ": images[0]: file_name: 'None' is not the name of a picture",
    ),
    "coco: out of the folder": (
        "coco",
        {JSON: ('"a.png"', '"../../a.png"')},
        ": images[0]: file_name: '../../a.png' leads out of the folder of the pictures, "
        "{d}/images/val2017. Put the picture there and name it relative to that folder, or "
        "allow it (--allow-outside)",
    ),
    "coco: an absolute path": (
        "coco",
        {JSON: ('"a.png"', '"/etc/passwd"')},
        ": images[0]: file_name: '/etc/passwd' leads out of the folder of the pictures, "
        "{d}/images/val2017. Put the picture there and name it relative to that folder, or "
        "allow it (--allow-outside)",
    ),
    "coco: a line break in a name": (
        "coco",
        {JSON: ('"a.png"', '"a\\n.png"')},
        ": images[0]: file_name: 'a\\n.png' is not the name of a picture",
    ),
    "coco: category id a word": (
        "coco",
        {JSON: ('{"id": 2, "name"', '{"id": "2", "name"')},
        ": categories[0] has no 'id' that is a whole number: '2'",
    ),
    "coco: category without name": (
        "coco",
        {JSON: ('"name": "disc"', '"name": null')},
        ": categories[0] has no 'name': 'None'",
    ),
    "coco: category id twice": (
        "coco",
        {JSON: ('{"id": 5, "name"', '{"id": 2, "name"')},
        ": categories[1] repeats the id 2. Give each category its own",
    ),
    "coco: no bbox": (
        "coco",
        {JSON: ('"bbox": [3, 4, 17, 26], ', "")},
        ": annotations[0] (id '1') has no 'bbox'. Export the file with boxes",
    ),
    "coco: bbox of three": (
        "coco",
        {JSON: ("[3, 4, 17, 26]", "[3, 4, 17]")},
        ": annotations[0] (id '1'): bbox '[3, 4, 17]' is not [x, y, width, height] in pixels",
    ),
    "coco: bbox of words": (
        "coco",
        {JSON: ("[3, 4, 17, 26]", '[3, 4, "17", 26]')},
        ": annotations[0] (id '1'): bbox \"[3, 4, '17', 26]\" is not [x, y, width, "
        "height] in pixels",
    ),
    "coco: bbox with NaN": (
        "coco",
        {JSON: ("[3, 4, 17, 26]", "[3, NaN, 17, 26]")},
        ": annotations[0] (id '1'): bbox '[3, nan, 17, 26]' has a number that is not "
        "finite or too large",
    ),
    "coco: bbox with 1e400": (
        "coco",
        {JSON: ("[3, 4, 17, 26]", "[3, 4, 1e400, 26]")},
        ": annotations[0] (id '1'): bbox '[3, 4, inf, 26]' has a number that is not finite "
        "or too large",
    ),
    "coco: unknown category": (
        "coco",
        {JSON: ('"category_id": 5', '"category_id": 6')},
        ": annotations[0] (id '1'): unknown category_id '6'. Add it to 'categories'",
    ),
    "coco: area a word": (
        "coco",
        {JSON: ('"area": 442', '"area": "large"')},
        ": annotations[0] (id '1'): area 'large' is not a finite number",
    ),
    "coco: a number of 5,000 digits": (
        "coco",
        {JSON: ("[3, 4, 17, 26]", "[3, 4, 17, " + "9" * 5000 + "]")},
        ": not usable JSON: Exceeds the limit (4300 digits) for integer string conversion: "
        "value has 5000 digits; use sys.set_int_max_str_digits() to increase the limit",
    ),
    # pascal
    "pascal: no list of the set": (
        "pascal",
        {"ImageSets/Main/test.txt": None},
        ": the file does not exist. Sets there: none",
    ),
    "pascal: empty list": (
        "pascal",
        {"ImageSets/Main/test.txt": "\n# none\n"},
        ": names no picture. Write one name a line",
    ),
    "pascal: list out of the folder": (
        "pascal",
        {"ImageSets/Main/test.txt": "a\n../../x\n"},
        ", line 2: '../../x' leads out of the folder of the pictures, {d}/JPEGImages. Put "
        "the picture there and name it relative to that folder, or allow it "
        "(--allow-outside)",
    ),
    "pascal: Latin-1 list": (
        "pascal",
        {"ImageSets/Main/test.txt": b"a\nK\xe4se\n"},
        ", line 2: byte 0xe4 is not UTF-8. Save the file as UTF-8",
    ),
    "pascal: no XML": ("pascal", {XML: None}, ": the file does not exist. Check the path"),
    "pascal: empty XML": ("pascal", {XML: ""}, ": the file is empty. Export the annotations again"),
    "pascal: cut XML": (
        "pascal",
        {XML: "<annotation>\n<object>"},
        ", line 2: not XML: no element found: line 2, column 8. Export the annotations again",
    ),
    "pascal: deep and cut XML": (
        "pascal",
        {XML: DEEP_XML},
        ", line 1: not XML: no element found: line 1, column 92. Export the annotations again",
    ),
    "pascal: a billion laughs": (
        "pascal",
        {XML: BILLION + "]><annotation>&i;</annotation>"},
        ", line 1: a DOCTYPE is not accepted. Take it out",
    ),
    "pascal: an entity of another file": (
        "pascal",
        {XML: '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation>&x;</annotation>'},
        ", line 1: a DOCTYPE is not accepted. Take it out",
    ),
    "pascal: a web page": (
        "pascal",
        {XML: "<html></html>"},
        ": begins with 'html', not 'annotation'. Export Pascal VOC files",
    ),
    "pascal: wrong encoding": (
        "pascal",
        {XML: b"<annotation>\xff</annotation>"},
        ", line 1: not XML: not well-formed (invalid token): line 1, column 12. Export the "
        "annotations again",
    ),
    "pascal: unknown encoding": (
        "pascal",
        {XML: '<?xml version="1.0" encoding="x"?><annotation/>'},
        ", line 1: not XML: unknown encoding: x. Export the annotations again",
    ),
    "pascal: no name": (
        "pascal",
        {XML: ("<name>square</name>", "")},
        "invalid annotations file: {d}/Annotations/a.xml: could not parse object #0: "
        "missing element 'name'. Add it, or delete the object",
    ),
    "pascal: unknown class": (
        "pascal",
        {XML: ("square", "sqare")},
        "invalid annotations file: {d}/Annotations/a.xml: could not parse object #0: class "
        "name 'sqare' not found in classes: disc, square, crowd. Mend the name, or give "
        "the classes of your dataset (--classes)",
    ),
    "pascal: no box": (
        "pascal",
        {XML: (VOC_BOX, "")},
        "invalid annotations file: {d}/Annotations/a.xml: could not parse object #0: "
        "missing element 'bndbox'. Add it, or delete the object",
    ),
    "pascal: no xmax": (
        "pascal",
        {XML: ("<xmax>21</xmax>", "")},
        "invalid annotations file: {d}/Annotations/a.xml: could not parse object #0: "
        "missing element 'xmax'. Add it, or delete the object",
    ),
    "pascal: empty ymin": (
        "pascal",
        {XML: ("<ymin>5</ymin>", "<ymin/>")},
        "invalid annotations file: {d}/Annotations/a.xml: could not parse object #0: "
        "missing element 'ymin'. Add it, or delete the object",
    ),
    "pascal: xmin a word": (
        "pascal",
        {XML: ("<xmin>4<", "<xmin>four<")},
        "invalid annotations file: {d}/Annotations/a.xml: could not parse object #0: "
        "illegal value for 'xmin': 'four' is not a finite number of pixels. Mend it",
    ),
    "pascal: nan": (
        "pascal",
        {XML: ("<xmin>4<", "<xmin>nan<")},
        "invalid annotations file: {d}/Annotations/a.xml: could not parse object #0: "
        "illegal value for 'xmin': 'nan' is not a finite number of pixels. Mend it",
    ),
    "pascal: huge": (
        "pascal",
        {XML: ("<xmin>4<", "<xmin>1e99<")},
        "invalid annotations file: {d}/Annotations/a.xml: could not parse object #0: "
        "illegal value for 'xmin': '1e99' is not a finite number of pixels. Mend it",
    ),
    "pascal: difficult maybe": (
        "pascal",
        {XML: ("<bndbox><xmin>4<", "<difficult>maybe</difficult><bndbox><xmin>4<")},
        "invalid annotations file: {d}/Annotations/a.xml: could not parse object #0: "
        "illegal value for 'difficult': 'maybe'. Write 0 or 1",
    ),
    "labelimg: no XML files": (
        "labelimg",
        {"a.xml": None, "b.xml": None, "c.xml": None},
        "{d}: neither ImageSets/ nor XML files. Put the XML files there or into {d}/Annotations",
    ),
    "labelimg: a nameless class": (
        "labelimg",
        {"a.xml": ("<name>disc</name>", "<name> </name>")},
        "invalid annotations file: {d}/a.xml: could not parse object #1: missing element "
        "'name'. Add it, or delete the object",
    ),
    # kitti
    "kitti: no label files": (
        "kitti",
        {f"val/labels/{name}.txt": None for name in "abc"},
        "{d}/val/labels: there are no label files. Put them there as *.txt",
    ),
    "kitti: binary": (
        "kitti",
        {TXT: b"\x80\x81\x82"},
        ", line 1: byte 0x80 is not UTF-8. Save the file as UTF-8",
    ),
    "kitti: cut line": (
        "kitti",
        {TXT: "Car 0 0 0 1 2 3"},
        ", line 1: 7 fields in place of 15: type, truncated, occluded, alpha, left, top, "
        "right, bottom and seven numbers in space",
    ),
    "kitti: too many fields": (
        "kitti",
        {TXT: "Car" + " 1" * 20},
        ", line 1: 21 fields in place of 15: type, truncated, occluded, alpha, left, top, "
        "right, bottom and seven numbers in space",
    ),
    "kitti: unknown type": (
        "kitti",
        {TXT: ("Cyclist", "Cyclsit")},
        ", line 1: unknown type 'Cyclsit'. Did you mean 'Cyclist'? Types: Car, Van, Truck, "
        "Pedestrian, Person_sitting, Cyclist, Tram, Misc, DontCare",
    ),
    "kitti: left a word": (
        "kitti",
        {TXT: ("0 0 0 3 4", "0 0 0 x 4")},
        ", line 1: left 'x' is not a finite number of pixels. Mend it",
    ),
    "kitti: nan": (
        "kitti",
        {TXT: ("0 0 0 3 4", "0 0 0 3 nan")},
        ", line 1: top 'nan' is not a finite number of pixels. Mend it",
    ),
    "kitti: huge": (
        "kitti",
        {TXT: ("0 0 0 3 4", "0 0 0 3 1e10")},
        ", line 1: top '1e10' is not a finite number of pixels. Mend it",
    ),
    # oid
    "oid: no boxes": ("oid", {OID: None}, ": the file does not exist. Check the path"),
    "oid: empty boxes": (
        "oid",
        {OID: ""},
        ", line 1: no column 'ImageID' among ''. Keep the header of the release",
    ),
    "oid: no XMin": (
        "oid",
        {OID: ("XMin", "Left")},
        ", line 1: no column 'XMin' among "
        "'ImageID,Source,LabelName,Confidence,Left,XMax,YMin,YMax,I...'. Keep the header "
        "of the release",
    ),
    "oid: cut row": (
        "oid",
        {OID: "ImageID,LabelName,XMin,XMax,YMin,YMax\na,/m/disc,0,1\n"},
        ", line 2: 4 fields under 6 headings. Write all of them",
    ),
    "oid: unknown class": (
        "oid",
        {OID: ("/m/square", "/m/sqare")},
        ", line 2: unknown class '/m/sqare'. Add it to the classes",
    ),
    "oid: pixels": (
        "oid",
        {OID: (",0.05,", ",3,")},
        ", line 2: XMin '3' is not a share of the picture's side, from 0 to 1. Divide pixels by it",
    ),
    "oid: negative": (
        "oid",
        {OID: (",0.05,", ",-0.05,")},
        ", line 2: XMin '-0.05' is not a share of the picture's side, from 0 to 1. Divide "
        "pixels by it",
    ),
    "oid: nan": (
        "oid",
        {OID: (",0.05,", ",nan,")},
        ", line 2: XMin 'nan' is not a share of the picture's side, from 0 to 1. Divide "
        "pixels by it",
    ),
    "oid: swapped": (
        "oid",
        {OID: (",0.05,", ",0.95,")},
        ", line 2: XMax (0.3333333333333333) must be higher than XMin (0.95). Swap them",
    ),
    "oid: wrong encoding": (
        "oid",
        {OID: b"ImageID,LabelName,XMin,XMax,YMin,YMax\n\xff\n"},
        ", line 2: byte 0xff is not UTF-8. Save the file as UTF-8",
    ),
    "oid: no such pictures": (
        "oid",
        {f"images/validation/{name}.jpg": None for name in "ab"},
        "{d}/images/validation: none of the 2 pictures of the annotations is there. Put "
        "them there as <image id>.jpg",
    ),
    "oid classes: missing": (
        "oid",
        {OID_CLASSES: None},
        ": the file does not exist. Check the path",
    ),
    "oid classes: one field": (
        "oid",
        {OID_CLASSES: "/m/disc\n"},
        ", line 1: '/m/disc' is not 'class id,class name'. Write both",
    ),
    "oid classes: empty": (
        "oid",
        {OID_CLASSES: ""},
        ": there are no classes. Write 'class id,class name' a line",
    ),
    "oid hierarchy: missing": (
        "oid --parent-label disc",
        {},
        "{d}/annotations/bbox_labels_600_hierarchy.json: the file does not exist. Check the path",
    ),
    "oid hierarchy: 20,000 deep": (
        "oid --parent-label disc",
        {OID_TREE: TREE},
        ": nested too deeply. Export the annotations again",
    ),
    "oid hierarchy: within itself": (
        "oid --parent-label disc",
        {
            OID_TREE: '{"LabelName": "/m/a", "Subcategory": [{"LabelName": "/m/a", '
            '"Subcategory": 7}]}'
        },
        ": 'Subcategory' of '/m/a' is no list. Write [...]",
    ),
    "oid hierarchy: a number": (
        "oid --parent-label disc",
        {OID_TREE: "7"},
        ": '7' has no 'LabelName'. Name its class",
    ),
    "oid hierarchy: not in it": (
        "oid --parent-label disc",
        {OID_TREE: '{"LabelName": "/m/a"}'},
        "{d}/annotations: class 'disc' is not in the hierarchy. Name its classes one by "
        "one in labels_filter",
    ),
    # yolo
    "yolo: missing": ("yolo", {YAML: None}, ": the file does not exist. Check the path"),
    "yolo: empty": (
        "yolo",
        {YAML: ""},
        ": not a data.yaml, which has 'names' and 'train'. Name that",
    ),
    "yolo: a list": (
        "yolo",
        {YAML: "- a\n- b\n"},
        ": not a data.yaml, which has 'names' and 'train'. Name that",
    ),
    "yolo: not YAML": (
        "yolo",
        {YAML: "names: [a, b\ntrain: x\n"},
        ", line 2: not YAML: expected ',' or ']', but got ':'. Mend the line",
    ),
    "yolo: a tab": (
        "yolo",
        {YAML: "names:\n\t- a\n"},
        ", line 2: not YAML: found character '\\t' that cannot start any token. Mend the line",
    ),
    "yolo: Latin-1": (
        "yolo",
        {YAML: b"names: [K\xe4se]\n"},
        ", line 1: byte 0xe4 is not UTF-8. Save the file as UTF-8",
    ),
    "yolo: a control character": (
        "yolo",
        {YAML: "names: [\x01]\n"},
        ": not YAML: special characters are not allowed. Mend the line",
    ),
    "yolo: nested 5,000 deep": (
        "yolo",
        {YAML: "[" * 5000},
        ": nested too deeply. Write the file anew",
    ),
    "yolo: two megabytes": (
        "yolo",
        {YAML: "#" * 2**21},
        ": 2097152 bytes are no data.yaml. Name that file",
    ),
    "yolo: names of aliases of aliases": (
        "yolo",
        {YAML: ANCHORS + "names: [*i]\ntrain: x\n"},
        ": names: class 0 is called a list. Give it a name",
    ),
    "yolo: names that hold themselves": (
        "yolo",
        {YAML: "names: &a [*a]\ntrain: x\n"},
        ", line 1: not YAML: found unconstructable recursive node. Mend the line",
    ),
    "yolo: an object as names": (
        "yolo",
        {YAML: "names: !!python/object/apply:os.system [ls]\nval: images/val\n"},
        "{d}/labels/val/a.txt, line 1: '1' is not the number of a class, 0 to 0. Mend it, "
        "or add the class to data.yaml",
    ),
    "yolo: a set of lists of lists": (
        "yolo",
        {YAML: "names: [a]\nval: [[a]]\n"},
        ": 'val' is a list, not a path. Write one",
    ),
    "yolo: no names": (
        "yolo",
        {YAML: "train: images/val\nval: images/val\n"},
        ": 'names' is no list of classes. Write names: [a, b, c]",
    ),
    "yolo: no sets": (
        "yolo",
        {YAML: "names: [a]\n"},
        ": there is no 'train', 'val' or 'test'. Name their folders",
    ),
    "yolo: names by words": (
        "yolo",
        {YAML: "names: {a: 0}\nval: images/val\n"},
        ": names: 'a' is no class number of its own. Number the classes 0, 1, 2, ...",
    ),
    "yolo: a nameless class": (
        "yolo",
        {YAML: "names: [a, '']\nval: images/val\n"},
        ": names: class 1 is called ''. Give it a name",
    ),
    "yolo: nc of another number": (
        "yolo",
        {YAML: "nc: 80\nnames: [a]\nval: images/val\n"},
        ": nc is '80', but there are 1 names. Mend one of them",
    ),
    "yolo: another set": (
        "yolo",
        {YAML: "names: [a]\ntrain: images/val\n"},
        ": has no set 'val'. Sets there: train. Name one",
    ),
    "yolo: out of the folder": (
        "yolo",
        {YAML: "names: [a]\nval: /\n"},
        ": val '/' leads out of the folder of data.yaml. Move it there, or allow it "
        "(--allow-outside)",
    ),
    "yolo: a root out of the folder": (
        "yolo",
        {YAML: "names: [a]\npath: /\nval: x\n"},
        ": path '/' leads out of the folder of data.yaml. Put data.yaml into the dataset's "
        "folder, or allow it (--allow-outside)",
    ),
    "yolo: no such folder": (
        "yolo",
        {YAML: "names: [a]\nval: images/vla\n"},
        ": val 'images/vla' is neither a folder nor a list of pictures. Put it to {d}/images/vla",
    ),
    "yolo: a folder without pictures": (
        "yolo",
        {YAML: "names: [a]\nval: labels/val\n"},
        ": val 'labels/val' holds no picture. Put some there: .bmp, .jpeg, .jpg, .png, "
        ".tif, .tiff, .webp",
    ),
    "yolo: a list out of the folder": (
        "yolo",
        {YAML: "names: [a]\nval: list.txt\n", "list.txt": "images/val/a.png\n/etc/passwd\n"},
        "{d}/list.txt, line 2: '/etc/passwd' leads out of the folder of data.yaml. Move "
        "the picture there, or allow it (--allow-outside)",
    ),
    "yolo: no labels": (
        "yolo",
        {YOLO: None, "labels/val/b.txt": None},
        "{d}/data.yaml: none of 3 pictures has a text file of boxes. Put that of the first "
        "to {d}/labels/val/a.txt",
    ),
    "yolo: four fields": (
        "yolo",
        {YOLO: "0 0.5 0.5 0.1\n"},
        ", line 1: 4 fields in place of 5: class, centre x and y, width, height; or class "
        "and the corners of a polygon",
    ),
    "yolo: six fields": (
        "yolo",
        {YOLO: "0 0.5 0.5 0.1 0.1 0.9\n"},
        ", line 1: 6 fields in place of 5: class, centre x and y, width, height; or class "
        "and the corners of a polygon",
    ),
    "yolo: pixels": (
        "yolo",
        {YOLO: "0 0.5 0.5 0.1 0.1\n0 30 20 10 10\n"},
        ", line 2: '30' is not a share of the picture's side, from 0 to 1. Divide pixels by it",
    ),
    "yolo: negative": (
        "yolo",
        {YOLO: "0 0.5 -0.5 0.1 0.1\n"},
        ", line 1: '-0.5' is not a share of the picture's side, from 0 to 1. Divide pixels by it",
    ),
    "yolo: nan": (
        "yolo",
        {YOLO: "0 0.5 0.5 nan 0.1\n"},
        ", line 1: 'nan' is not a share of the picture's side, from 0 to 1. Divide pixels by it",
    ),
    "yolo: unknown class": (
        "yolo",
        {YOLO: "3 0.5 0.5 0.1 0.1\n"},
        ", line 1: '3' is not the number of a class, 0 to 2. Mend it, or add the class to "
        "data.yaml",
    ),
    "yolo: a name for a number": (
        "yolo",
        {YOLO: "disc 0.5 0.5 0.1 0.1\n"},
        ", line 1: 'disc' is not the number of a class, 0 to 2. Mend it, or add the class "
        "to data.yaml",
    ),
    "yolo: binary boxes": (
        "yolo",
        {YOLO: b"\x93NUMPY\x01\x00"},
        ", line 1: byte 0x93 is not UTF-8. Save the file as UTF-8",
    ),
}
