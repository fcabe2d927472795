"""What the commands' --help shows beside their options: kept apart from them, so that no command is imported for it."""

COPY = """Never over another object. Broken off (Ctrl-C, a lost network, a killed terminal), the same command goes on where
it stopped.

An own bucket on AWS, with the rights of a profile:

    reelkeeper copy https://nca.example/media/film.mp4 s3://kept/films/film.mp4 --profile me

DigitalOcean Spaces, from SPACES_ENDPOINT, SPACES_REGION, SPACES_ACCESS_KEY and SPACES_SECRET_KEY (and SPACES_BUCKET_NAME, for
a target that is only a key):

    reelkeeper copy https://nca.example/media/film.mp4 films/film.mp4 --acl public-read

Any store that speaks S3, with the keys of a profile:

    reelkeeper copy https://nca.example/media/film.mp4 s3://kept/films/ --endpoint https://s3.example --profile store
"""
